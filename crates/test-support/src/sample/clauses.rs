//! Boilerplate clauses that carry no information about the labels. Each has many alternatives, so that two documents rarely share eight
//! consecutive words and are not detected as near-duplicates.

pub(crate) const ENGLISH: &[&str] = &[
    "The {$supplier|contractor} {shall|will} {perform|carry out|render} its {duties|tasks|obligations} with {due|reasonable|professional} care and {in line|in accordance} with {recognised|good|accepted} {industry|engineering|trade} practice.",
    "The {$client|customer} {provides|makes available} the {information|documents|access} that the {$supplier|contractor} {reasonably|plainly} {needs|requires} {in time|without delay|within five working days}.",
    "{Delays|Late performance} {caused by|due to} the {$client|customer} {extend|move} the {affected|agreed} dates by the {time|period} {lost|of the delay}, {provided|as long as} they were {notified|reported} {promptly|in writing}.",
    "{Confidential|Protected} information {must|shall|may} {not be|never be} {passed on|disclosed|shown} to third parties {without|before} {prior|express|written} {consent|approval} of the {other|owning} party.",
    "The {total|aggregate|overall} liability of {either|each} party {is limited|shall not exceed} to the {fees|amounts|sums} {paid|payable|due} in the {twelve|eighteen|six} months {before|preceding} the {event|claim|damage}.",
    "{Neither|No} party is {liable|answerable} for {failures|delays} {caused|brought about} by {events|circumstances} {beyond|outside} its {reasonable|own} control, {including|such as} {floods|fire|war}, {strikes|epidemics} or {power|network} failure.",
    "This {agreement|contract} is {governed|ruled} by the laws of {the Netherlands|Germany|Portugal|England and Wales|Brazil|the State of New York}, {excluding|without} its {conflict|choice} of law rules.",
    "{Disputes|Differences} {shall|are to} be {settled|resolved} {amicably|by negotiation} {first|at first}; {failing|without} {this|success}, the courts of {Amsterdam|Munich|Lisbon|London|São Paulo|New York} have {exclusive|sole} jurisdiction.",
    "{Personal|Employee|Customer} data {is|are} {processed|handled} {only|solely} on {documented|written} instructions and {deleted|returned} {at the end|upon termination} of the {services|work|contract}.",
    "The {$supplier|contractor} {keeps|maintains} {insurance|cover} of {an adequate|a sufficient} amount {with|from} a {reputable|rated} insurer {throughout|during} the {term|contract} and {two|three|one} years {thereafter|afterwards}.",
    "{Invoices|Bills} are {due|payable} {within|not later than} {thirty|sixty|forty-five|ninety} days {after|from} {receipt|the date of receipt}, {provided|if} they {show|carry|quote} the order number.",
    "{Amendments|Changes} to this {document|contract} {require|need} {written form|a signed document}; {the same|this also} {applies|holds} {for|to} a waiver of {this|the present} {requirement|clause}.",
    "{Rights|Title} in {results|work products} {pass|transfer} to the {$client|customer} {upon|with|on} {payment|full payment}, {except|save} for {tools|know-how|materials} that {existed|were held} {before|earlier}.",
    "The {$supplier|contractor} {may|shall} {not engage|engage no} {subcontractors|third parties} {without|unless it has} {approval|consent} {given|granted} {in advance|beforehand|in writing}.",
    "{Either|Each} party {may|can} {terminate|end} this {agreement|contract} for {good|important|material} cause, {in particular|notably} {if|where} the other {breaches|violates} a {material|essential} {duty|obligation} and {fails|omits} to {cure|remedy} it within {thirty|twenty|fifteen} days.",
    "The {$client|customer} {may|is entitled to} {audit|inspect} the {records|books} {relating to|concerning} this {agreement|contract} {once a year|on reasonable notice|during office hours}.",
    "{Notices|Declarations} are {sent|given} in {writing|text form} to the {addresses|contacts} {named|listed} {above|in the annex} and {take|have} effect {on|upon} {receipt|delivery}.",
    "{Should|If} a provision {be|prove} {invalid|void}, the {remainder|other provisions} {stays|remain} {valid|in force}, and the parties {replace|substitute} it by one that {comes|is} {closest|nearest} to its {purpose|aim}.",
    "The {project|service|contract} {manager|lead}s {meet|confer} {weekly|every fortnight|monthly} and {record|note} {decisions|open points} in {minutes|a log} {shared|circulated} {afterwards|the next day}.",
    "{Travel|Out-of-pocket} expenses are {reimbursed|refunded} {only|solely} {when|where} {approved|agreed} {beforehand|in advance} and {proved|supported} by {receipts|vouchers}.",
    "The {$supplier|contractor} {complies|acts} {with|in line with} the {code of conduct|supplier code|security policy} of the {$client|customer}, {as amended|in its current version}.",
    "{Both|The} parties {observe|respect} {export|sanctions|anti-bribery} {law|rules} and {report|disclose} {violations|breaches} {at once|without delay}.",
    "{Staff|Persons} {assigned|deployed} {remain|stay} {employees|personnel} of the {$supplier|contractor}, {who|which} {alone|solely} {directs|pays} them.",
    "{Defects|Faults} {found|noticed} {within|during} {twelve|six|twenty-four} months {after|from} {acceptance|delivery} are {repaired|corrected} {free of charge|at no cost}.",
];

pub(crate) const PORTUGUESE: &[&str] = &[
    "A {contratada|fornecedora} {executará|realizará|prestará} suas {tarefas|atividades|obrigações} com {zelo|diligência|cuidado} e {conforme|segundo} as {boas|melhores|reconhecidas} práticas do {setor|mercado|ramo}.",
    "A {contratante|cliente} {fornece|disponibiliza} as {informações|documentações} de que a {contratada|fornecedora} {necessita|precisa} {em tempo hábil|sem demora|em cinco dias úteis}.",
    "As {informações|partes} {confidenciais|sigilosas} não {serão|podem ser} {reveladas|divulgadas} a {terceiros|outros} sem {consentimento|autorização} {prévio|expresso|escrito}.",
    "A responsabilidade {total|global} de {cada|qualquer} parte {limita-se|fica limitada} aos valores {pagos|devidos} nos {doze|seis|dezoito} meses {anteriores|precedentes} ao {fato|dano}.",
    "Os dados pessoais são {tratados|processados} {somente|apenas} conforme {instruções|ordens} {documentadas|escritas} e {eliminados|devolvidos} ao {fim|término} do {contrato|serviço}.",
    "As {faturas|notas fiscais} {vencem|são pagas} em {trinta|sessenta|quarenta e cinco} dias {após|contados de} seu {recebimento|aceite}, desde que {indiquem|tragam} o número do pedido.",
    "{Alterações|Mudanças} {deste|do presente} {contrato|instrumento} {exigem|requerem} {forma escrita|documento assinado} por {ambas as|todas as} partes.",
    "{Qualquer|Cada} parte {poderá|pode} {rescindir|encerrar} este {contrato|instrumento} por {justa causa|motivo grave}, {se|caso} a outra não {sanar|corrigir} a {falta|infração} em {trinta|vinte|quinze} dias.",
    "Fica {eleito|escolhido} o foro de {São Paulo|Lisboa|Curitiba|Porto Alegre} para {dirimir|resolver} {dúvidas|controvérsias} {oriundas|decorrentes} deste {contrato|instrumento}.",
    "Os {gestores|responsáveis} {reúnem-se|encontram-se} {semanalmente|mensalmente|a cada quinzena} e {registram|anotam} as {decisões|pendências} em {ata|registro}.",
    "A {contratada|fornecedora} {mantém|conserva} {seguro|apólice} em valor {adequado|suficiente} {durante|ao longo de} toda a {vigência|execução}.",
    "As {despesas|viagens} só são {reembolsadas|ressarcidas} {quando|se} {aprovadas|autorizadas} {antes|previamente} e {comprovadas|documentadas} por {recibos|notas}.",
];

/// Sentences that mention a class of a field without stating it.
pub(crate) const DISTRACTORS: &[&str] = &[
    "Earlier {offers|quotations} in {USD|euro|pounds sterling} are {void|superseded}.",
    "{Interfaces|Connections} to SAP, Oracle or ServiceNow are {out of|not in} scope{| unless ordered}.",
    "A separate licence or subscription {may|can} {be ordered|become necessary} {later|at any time}.",
    "Data {may|can} be {copied|exported} to Azure or Amazon Web Services for backup.",
    "The general terms of {either|each} party {do not apply|are excluded}, even where {a quotation|an order} {refers to|names} them.",
    "The legal department {has reviewed|reviewed} this text.",
    "Hours worked {beyond|above} the plan {need|require} approval.",
];

//! The classes of the categorical fields, their frequencies and the sentences that state them.

/// A class of a field.
pub(crate) struct Class {
    pub(crate) name: &'static str,
    pub(crate) weight: u32,
    /// Sentences that state the class, in English and in Portuguese.
    pub(crate) english: &'static [&'static str],
    pub(crate) portuguese: &'static [&'static str],
}

/// A categorical field.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// Its label in the summary lines of a contract.
    pub(crate) title: &'static str,
    /// Percentage of documents without a value.
    pub(crate) none: u32,
    /// Sentences that state the absence of a value, in English and in Portuguese.
    pub(crate) absent: [&'static str; 2],
    pub(crate) classes: &'static [Class],
}

const fn class(name: &'static str, weight: u32, english: &'static [&'static str], portuguese: &'static [&'static str]) -> Class {
    Class { name, weight, english, portuguese }
}

pub(crate) const CONTRACT_TYPE: Field = Field {
    name: "contract_type",
    title: "Kind of document",
    none: 0,
    absent: ["The kind of this document is left {open|undetermined}.", "O tipo deste documento fica em aberto."],
    classes: &[
        class(
            "Statement of Work",
            30,
            &[
                "This {document|order} {describes|sets out} the work packages, deliverables and acceptance criteria {agreed|fixed} for the project.",
                "The {tasks|activities} listed below are {ordered|commissioned} under the existing terms and end with the {final|last} acceptance.",
                "Each deliverable is {handed over|presented} for acceptance against the criteria of the {work|project} plan.",
            ],
            &["O presente documento descreve os pacotes de trabalho, os entregáveis e os critérios de aceite do projeto."],
        ),
        class(
            "Master Services Agreement",
            18,
            &[
                "The parties {agree|lay down} general terms that {govern|apply to} every later order for services placed by the $client.",
                "Individual orders {refer to|incorporate} these general terms; in case of conflict, {these terms|this agreement} shall prevail.",
            ],
            &["As partes estabelecem condições gerais que regem todos os pedidos de serviço futuros."],
        ),
        class(
            "License Agreement",
            16,
            &[
                "The $supplier grants a {non-exclusive|non-transferable} licence to {install and use|use} the software within the {group|enterprise}.",
                "The licensee may {copy|reproduce} the programs for backup only and shall not {decompile|reverse engineer} them.",
            ],
            &["O fornecedor concede uma licença não exclusiva e intransferível de uso do software."],
        ),
        class(
            "Maintenance and Support",
            14,
            &[
                "The $supplier {corrects|remedies} defects, {delivers|provides} patches and answers incidents within the agreed response times.",
                "Incidents are {classified|ranked} by severity and {resolved|handled} by the help desk within the service hours.",
            ],
            &["O fornecedor corrige defeitos, entrega atualizações e atende incidentes nos prazos acordados."],
        ),
        class(
            "Amendment",
            12,
            &[
                "The {following|listed} sections of the earlier agreement are {hereby replaced|amended}; all other provisions remain {unchanged|in force}.",
                "This {change|supplement} {modifies|extends} the agreement previously signed and forms an integral part of it.",
            ],
            &["As cláusulas abaixo do contrato anterior são alteradas; as demais permanecem em vigor."],
        ),
        class(
            "Non-Disclosure Agreement",
            8,
            &[
                "Each party {undertakes|agrees} to keep secret whatever the other {discloses|reveals} for the {purpose|sake} of the evaluation.",
                "The receiving party {returns or destroys|gives back} all confidential material upon {request|demand} of the disclosing party.",
            ],
            &["Cada parte compromete-se a manter sigilo sobre tudo o que a outra revelar para fins de avaliação."],
        ),
        class(
            "Framework Agreement",
            4,
            &[
                "Prices, discounts and {call-off|release} procedures {fixed|agreed} here apply to all affiliates for the whole {framework|term}.",
            ],
            &["Os preços e descontos aqui fixados valem para todas as afiliadas durante o acordo-quadro."],
        ),
    ],
};

const MANAGED_BY: Field = Field {
    name: "managed_by",
    title: "Contract owner",
    none: 5,
    absent: ["An owner of this contract is {named|appointed} {later|in due course}.", "O gestor do contrato será indicado posteriormente."],
    classes: &[
        class(
            "IT Procurement",
            40,
            &[
                "On the side of the $client, the {information technology purchasing|IT sourcing} team {administers|manages} this contract.",
                "Questions go to the IT category {buyer|manager} of the $client.",
                "Contract owner: {information technology|IT} purchasing.",
            ],
            &["A gestão deste contrato cabe à área de compras de tecnologia da informação."],
        ),
        class(
            "Business Services",
            28,
            &[
                "The {shared|business} service centre of the $client {keeps|administers} this contract and {checks|approves} all invoices.",
                "Contract administration {lies|rests} with the corporate services department.",
                "Contract owner: {shared|corporate} services.",
            ],
            &["A administração do contrato é feita pelo centro de serviços compartilhados."],
        ),
        class(
            "Marketing Procurement",
            18,
            &[
                "The {media and marketing|brand} purchasing team of the $client {leads|manages} the relationship with the $supplier.",
                "Campaign budgets are {released|approved} by the marketing buyer named in the annex.",
                "Contract owner: marketing {buyers|purchasing}.",
            ],
            &["A relação com o fornecedor é conduzida pela equipe de compras de marketing."],
        ),
        class(
            "Facilities",
            10,
            &["The {site|facility} management of the $client {supervises|manages} this contract together with the local plants."],
            &["A gestão predial da contratante acompanha este contrato com as unidades locais."],
        ),
        class(
            "Legal",
            4,
            &["The legal department of the $client {files|manages} this contract and {keeps|holds} its original."],
            &["O departamento jurídico da contratante administra e guarda este contrato."],
        ),
    ],
};

const SOW_CURRENCY: Field = Field {
    name: "sow_currency",
    title: "Currency",
    none: 6,
    absent: ["No {fees|payments} are due under this document.", "Não há pagamentos devidos por este documento."],
    classes: &[
        class(
            "EUR",
            50,
            &[
                "All {fees|prices} are {stated|quoted} in euro and {exclude|are net of} value added tax.",
                "Invoices are {issued|paid} in EUR.",
            ],
            &["Todos os valores são expressos em euros."],
        ),
        class(
            "USD",
            22,
            &[
                "All {fees|amounts} are in United States dollars{| unless agreed otherwise}.",
                "Payment is made in USD by {wire|bank} transfer.",
            ],
            &["Todos os valores são expressos em dólares dos Estados Unidos."],
        ),
        class(
            "BRL",
            15,
            &["{Fees|Prices} are {agreed|fixed} in Brazilian reais and adjusted {yearly|once a year} by the IPCA index."],
            &[
                "Todos os valores são expressos em reais e reajustados anualmente pelo IPCA.",
                "O pagamento será feito em moeda brasileira (reais).",
            ],
        ),
        class(
            "GBP",
            9,
            &["{Charges|Fees} are {invoiced|payable} in pounds sterling."],
            &["Os pagamentos são feitos em libras esterlinas."],
        ),
        class("CHF", 4, &["{Fees|Prices} are {quoted|payable} in Swiss francs."], &["Os valores são cobrados em francos suíços."]),
    ],
};

const PLATFORM: Field = Field {
    name: "platform_technology",
    title: "Platform",
    none: 20,
    absent: ["No {technical|particular} platform is {prescribed|involved}.", "Nenhuma plataforma técnica é prescrita."],
    classes: &[
        class(
            "SAP",
            30,
            &[
                "The work {concerns|covers} the SAP S/4HANA system of the $client.",
                "Developments are {made|written} in ABAP and {transported|moved} through the SAP landscape.",
            ],
            &["O trabalho abrange o sistema SAP S/4HANA da contratante."],
        ),
        class(
            "Salesforce",
            20,
            &[
                "The $supplier {configures|extends} the Salesforce {org|instance} of the $client, including its Apex code.",
                "Sales Cloud and Service Cloud {are in scope|form the scope}.",
            ],
            &["O fornecedor configura a instância Salesforce da contratante."],
        ),
        class(
            "Microsoft Azure",
            18,
            &[
                "Workloads {run|are hosted} in the Azure {subscription|tenant} of the $client.",
                "Identity is {provided|managed} by Microsoft Entra.",
            ],
            &["As cargas de trabalho são executadas na assinatura Azure da contratante."],
        ),
        class(
            "AWS",
            14,
            &["The environment {is built|runs} on Amazon Web Services, {mainly|chiefly} EC2 and S3."],
            &["O ambiente é executado na Amazon Web Services."],
        ),
        class(
            "Oracle",
            10,
            &["The {databases|applications} in scope are Oracle {Database|Fusion} systems."],
            &["Os sistemas abrangidos são bancos de dados Oracle."],
        ),
        class(
            "ServiceNow",
            8,
            &["Tickets and workflows are {kept|implemented} in ServiceNow."],
            &["Os chamados e fluxos são implementados no ServiceNow."],
        ),
    ],
};

pub(crate) const LEVEL_1: Field = Field {
    name: "type_of_contract_l1",
    title: "Category",
    none: 3,
    absent: ["The category is {assigned|given} by the annex, which is {missing|pending}.", "A categoria consta do anexo, ainda pendente."],
    classes: &[
        class(
            "Services",
            32,
            &["The subject of this contract is the {continuous|recurring} performance of services."],
            &["O objeto deste contrato é a prestação contínua de serviços."],
        ),
        class(
            "Software",
            30,
            &["The subject of this contract is {computer software|standard software} and its documentation."],
            &["O objeto deste contrato é software e sua documentação."],
        ),
        class(
            "Infrastructure",
            18,
            &["The subject of this contract is {technical|computing} infrastructure and its operation."],
            &["O objeto deste contrato é infraestrutura técnica e sua operação."],
        ),
        class(
            "Consulting",
            20,
            &["The subject of this contract is advice {given by|of} qualified consultants."],
            &["O objeto deste contrato é a consultoria por profissionais qualificados."],
        ),
    ],
};

/// Two classes for each class of the first level, in the same order.
pub(crate) const LEVEL_2: Field = Field {
    name: "type_of_contract_l2",
    title: "Subcategory",
    none: 6,
    absent: ["A subcategory has not been {assigned|chosen}.", "A subcategoria não foi definida."],
    classes: &[
        class(
            "Managed Services",
            6,
            &["The $supplier {operates|runs} the service end to end and {reports|answers for} its service levels every month."],
            &["O fornecedor opera o serviço de ponta a ponta com níveis de serviço mensais."],
        ),
        class(
            "Staff Augmentation",
            4,
            &["The persons assigned work {within|inside} the teams of the $client and {under|by} its direction."],
            &["Os profissionais alocados atuam nas equipes da contratante."],
        ),
        class(
            "SaaS",
            6,
            &["The application is {hosted|operated} by the $supplier and {reached|used} through a browser."],
            &["A aplicação é hospedada pelo fornecedor e acessada pelo navegador."],
        ),
        class(
            "On-Premise License",
            4,
            &["The programs are installed on {servers|machines} of the $client, in its own data centre."],
            &["Os programas são instalados em servidores próprios da contratante."],
        ),
        class(
            "Cloud Hosting",
            6,
            &["Virtual machines, storage and networks are {rented|provided} on demand."],
            &["Máquinas virtuais e armazenamento são fornecidos sob demanda."],
        ),
        class(
            "Hardware",
            4,
            &["The $supplier delivers {devices|equipment}, racks and spare parts to the named sites."],
            &["O fornecedor entrega equipamentos e peças de reposição."],
        ),
        class(
            "Strategy",
            4,
            &["The consultants {prepare|draw up} a target picture and a roadmap for the {board|management}."],
            &["Os consultores elaboram a visão de futuro e o plano diretor."],
        ),
        class(
            "Implementation",
            6,
            &["The consultants {design|build}, test and {introduce|roll out} the solution up to its go-live."],
            &["Os consultores implementam e testam a solução até a entrada em produção."],
        ),
    ],
};

const COMMERCIAL_MODEL: Field = Field {
    name: "commercial_model",
    title: "Pricing",
    none: 6,
    absent: ["The way of pricing is {left open|not agreed here}.", "A forma de preço não é tratada aqui."],
    classes: &[
        class(
            "Fixed Price",
            34,
            &["A {fixed|lump} sum {covers|remunerates} all services; {cost overruns|additional effort} are borne by the $supplier."],
            &["Um preço fixo e global remunera todos os serviços."],
        ),
        class(
            "Time and Materials",
            30,
            &[
                "Effort is {charged|invoiced} by hours worked at the {daily|hourly} rates of the rate card.",
                "Approved timesheets are the basis of {each|every} invoice.",
            ],
            &["O esforço é cobrado por horas trabalhadas conforme a tabela de valores."],
        ),
        class(
            "Subscription",
            22,
            &["A {yearly|monthly} subscription fee is {due|payable} in advance for each term."],
            &["A assinatura é paga antecipadamente a cada período."],
        ),
        class(
            "Usage Based",
            14,
            &["The $client pays for what it {consumes|uses}, metered per {transaction|unit}."],
            &["A contratante paga pelo consumo medido por transação."],
        ),
    ],
};

pub(crate) const USER_LICENSE: Field = Field {
    name: "user_based_license",
    title: "User licences",
    none: 10,
    absent: ["Licensing is {no subject|outside} of this document.", "O licenciamento não é objeto deste documento."],
    classes: &[
        class(
            "Yes",
            55,
            &[
                "Licences are counted by named user; {additional|further} users are {added|ordered} at the unit price.",
                "The {number|count} of authorised users is {fixed|stated} in the order.",
            ],
            &["As licenças são contadas por usuário nomeado."],
        ),
        class(
            "No",
            45,
            &[
                "Use is {unlimited|not limited} by the number of users; {the fee|the price} is {per site|for the enterprise}.",
                "No user-based {metric|licence} applies.",
            ],
            &["O uso não é limitado pelo número de usuários."],
        ),
    ],
};

/// The categorical fields, in export order.
pub(crate) const FIELDS: &[Field] = &[CONTRACT_TYPE, MANAGED_BY, SOW_CURRENCY, PLATFORM, LEVEL_1, LEVEL_2, COMMERCIAL_MODEL, USER_LICENSE];

#[cfg(test)]
mod tests {
    use super::super::clauses::{DISTRACTORS, ENGLISH, PORTUGUESE};
    use super::super::random::Random;
    use super::super::template::render;
    use super::*;

    #[test]
    fn every_sentence_can_be_rendered() {
        let names = [("client", "client"), ("supplier", "supplier")];
        let classes = FIELDS.iter().flat_map(|field| field.classes);
        let absent = FIELDS.iter().flat_map(|field| &field.absent);
        let stated = classes.flat_map(|class| class.english.iter().chain(class.portuguese));
        for template in stated.chain(absent).chain(DISTRACTORS).chain(ENGLISH).chain(PORTUGUESE) {
            for document in 0..20 {
                let mut out = String::new();
                render(template, &names, &mut Random::new(1, document), &mut out);
                assert!(!out.contains(['{', '|', '}', '$']), "{out}");
            }
        }
    }

    #[test]
    fn every_class_of_the_first_level_has_two_of_the_second() {
        assert_eq!(LEVEL_2.classes.len(), 2 * LEVEL_1.classes.len());
    }
}

// Modelos, versões, aliases, gate, thresholds, predições.
export const models = {
  models: {
    newest: "Mais recente", version: "Versão", versions: "Versões", owner: "Responsável", published: "Publicado", none: "Nenhum modelo ainda", noneText: "Um modelo aparece quando o primeiro job publica uma versão.",
    noVersions: "Nenhuma versão ainda", noVersionsText: "As regras deste modelo existem, mas nenhum job publicou uma versão.", ownedBy: "Responsável: {{owner}}",
    policy: { manual: "promoção manual", automatic: "promoção automática", approval: "promoção com aprovação" },
    tab: { versions: "Versões", compare: "Comparar", aliases: "Aliases", thresholds: "Thresholds", try: "Experimentar" },
    aliases: "Aliases", alias: "Alias", retired: "retirada", meanOf: "Média de {{metric}}", overVersions: "Média de {{metric}} ao longo das versões", openRun: "Abrir o job", promote: "Promover",
    promoteTitle: "Promover {{name}} v{{number}}", aliasUnset: "O alias {{alias}} ainda não indica nenhuma versão.", aliasNow: "O alias {{alias}} indica a v{{number}} agora.",
    override: "Promover contra o gate (exige motivo)", promoted: "{{alias}} indica a v{{number}} agora", requested: "A promoção da v{{number}} espera aprovação",
    noAlias: "Nenhum alias ainda", noAliasText: "Promova uma versão; o champion responde às predições.", rollback: "Reverter", rollbackTitle: "Reverter {{alias}}?",
    rollbackText: "O alias {{alias}} indica a v{{number}} agora. Ele volta para a versão anterior, sem comparação.", rolledBack: "{{alias}} voltou para a v{{number}}", overridden: "contra o gate",
    waitingRequest: "A promoção da v{{number}} para {{alias}} espera aprovação", approve: "Aprovar", reject: "Rejeitar", approveTitle: "Aprovar a promoção?", rejectTitle: "Rejeitar a promoção?",
    decisionText: "O alias {{alias}} passaria a indicar a v{{number}}.", otherApproves: "Outra chave precisa aprovar.", decided: "O pedido está {{state}}",
    onTest: "No split de teste", allFields: "todos os campos", files: "Arquivos",
  },
  aliasAction: { first_version: "Primeira versão", promoted: "Promovida", rolled_back: "Revertida", removed: "Removido" },
  gate: {
    title: "Gate", passed: "A candidata é boa o bastante em todos os campos.", refused: "A candidata é pior do que a margem permite.",
    insufficient_evidence: "Há poucos documentos de teste em comum para decidir.", difference: "Diferença", reason: "Motivo", interval: "{{value}}, intervalo de {{low}} a {{high}}",
  },
  compare: {
    baseline: "Baseline", candidate: "Candidata", one: "Há só uma versão", oneText: "Treine outra para comparar.", onlyCandidate: "Só na candidata", onlyBaseline: "Só na baseline",
    summary: "n {{n}} · candidata melhor em {{wins}} e pior em {{losses}} documentos · p = {{p}}", metric: "Métrica",
    changed_one: "{{count}} documento com predições diferentes", changed_other: "{{count}} documentos com predições diferentes", openDocument: "Abrir o documento",
  },
  thresholds: {
    current: "Thresholds em vigor", at: "Cobertura com {{target}}", why: "Por que não mais", change: "Mudar a acurácia alvo", allFields: "todos os campos", apply: "Aplicar", changed: "Os thresholds foram alterados", history: "Alterações",
  },
  try: {
    text: "Texto", textHelp: "Cole o texto de um documento. Ele não é armazenado.", predict: "Predizer", result: "Predição", value: "Valor", decision: "Decisão", others: "Outros valores",
    unknown: "O modelo não conhece nenhuma característica deste texto, por isso não responde nada.",
  },
};

// Estrutura, entrada, palavras comuns e erros.
export const frame = {
  nav: {
    sections: "Seções", skip: "Pular para o conteúdo", runs: "Jobs", models: "Modelos", review: "Revisão", data: "Dados", operations: "Operação",
    account: "Conta", language: "Idioma", light: "Tema claro", dark: "Tema escuro", signOut: "Sair",
  },
  role: { viewer: "viewer", reviewer: "reviewer", operator: "operator", admin: "admin" },
  signIn: {
    title: "Entrar", key: "Chave de API", keyHelp: "Ela é trocada por uma sessão e não fica armazenada no navegador.", show: "Mostrar a chave", submit: "Entrar",
    noKey: "Ainda não tem uma chave? Um administrador cria uma:", command: "Comando que cria uma chave",
  },
  help: { title: "Atalhos de teclado" },
  palette: {
    open: "Buscar", placeholder: "Ir para um job, modelo ou documento, ou iniciar uma ação", pages: "Páginas", actions: "Ações",
    failedRuns: "Mostrar jobs com falha", nothing: "Nada encontrado. Tente o nome de um modelo, o início do ID de um job ou palavras do nome de um arquivo.",
  },
  common: {
    actions: "Ações", all: "Todos", cancel: "Cancelar", clear: "Limpar", clearFilters: "Limpar filtros", clearSelection: "Limpar seleção", close: "Fechar",
    copied: "Copiado", copy: "Copiar", download: "Baixar", filter: "Filtrar", filters: "Filtros", loading: "Carregando mais…", more: "Mostrar mais",
    noValue: "sem valor", reason: "Motivo", retry: "Tentar de novo", save: "Salvar", select: "Selecionar {{name}}", selectAll: "Selecionar tudo",
  },
  error: {
    title: "A requisição falhou", network: "O servidor não responde. Verifique a conexão; a página continua quando o servidor voltar.",
    requestId: "requisição", missingTitle: "Página não encontrada", missingText: "Não há página neste endereço. O link pode estar incompleto.",
    goHome: "Ir para os jobs", failedTitle: "Esta página falhou",
  },
  chart: { asTable: "Mostrar como tabela" },
  state: {
    queued: "na fila", running: "em execução", retrying: "nova tentativa", cancelling: "cancelando", succeeded: "concluído", failed: "falhou", cancelled: "cancelado",
    lost: "perdido", released: "liberado", working: "trabalhando", idle: "ocioso", draining: "drenando", silent: "sem sinal", stopped: "parado",
    passed: "aprovado", refused: "recusado", insufficient_evidence: "evidência insuficiente",
  },
  reviewStatus: { OK: "aceito", CORRECTED: "corrigido", NEW: "adicionado", REJECTED: "rejeitado", MISSING: "sem valor", UNREVIEWED: "não revisado" },
  decision: { auto: "respondido", needs_review: "precisa de revisão" },
};

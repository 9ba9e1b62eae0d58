// Sessões e formas de entrar.
export const access = {
  access: {
    name: "Nome",
    role: "Papel",
    title: "Administração",
    mine: "Suas sessões",
    tab: {
      sessions: "Sessões",
      key: "Sua chave de API",
    },
    all: "Sessões de todas as chaves",
    keyName: "Chave",
    device: "Navegador",
    unknownDevice: "desconhecido",
    address: "Endereço",
    signedIn: "Entrada",
    lastUsed: "Último uso",
    expires: "Termina",
    current: "este navegador",
    revoke: "Revogar",
    revokeTitle: "Revogar esta sessão?",
    revokeText: "{{key}} sai imediatamente em {{device}}. A chave de API continua válida.",
    revoked: "A sessão foi encerrada",
    everywhere: "Sair em todos os lugares",
    everywhereTitle: "Sair em todos os lugares?",
    everywhereText: "Todas as sessões da sua chave de API terminam, inclusive esta.",
    none: "Nenhuma sessão",
    noneText: "Uma sessão começa quando alguém entra por aqui.",
    keyText:
      "Sessões têm os direitos da chave de API com que se entrou. Quando ela é revogada, elas terminam imediatamente. Chaves são criadas, listadas e revogadas em um host com acesso ao banco de dados:",
    listKeys: "Comando que lista as chaves",
  },
};

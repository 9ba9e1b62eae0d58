// Sessions and the way in.
export const access = {
  access: {
    name: "Name",
    role: "Role",
    title: "Administration",
    mine: "Your sessions",
    tab: {
      sessions: "Sessions",
      key: "Your API key",
    },
    all: "Sessions of all keys",
    keyName: "Key",
    device: "Browser",
    unknownDevice: "unknown",
    address: "Address",
    signedIn: "Signed in",
    lastUsed: "Last used",
    expires: "Ends",
    current: "this browser",
    revoke: "Revoke",
    revokeTitle: "Revoke this session?",
    revokeText: "{{key}} is signed out on {{device}} at once. Its API key stays valid.",
    revoked: "The session has ended",
    everywhere: "Sign out everywhere",
    everywhereTitle: "Sign out everywhere?",
    everywhereText: "All sessions of your API key end, also this one.",
    none: "No sessions",
    noneText: "A session begins when somebody signs in here.",
    keyText:
      "Sessions have the rights of the API key that signed in. When it is revoked, they end at once. Keys are created, listed and revoked on a host with access to the database:",
    listKeys: "Command that lists the keys",
  },
};

// Frame, sign-in, common words and errors.
export const frame = {
  nav: {
    sections: "Sections", skip: "Skip to content", runs: "Runs", models: "Models", review: "Review", data: "Data", operations: "Operations",
    account: "Account", language: "Language", light: "Light theme", dark: "Dark theme", signOut: "Sign out",
  },
  role: { viewer: "viewer", reviewer: "reviewer", operator: "operator", admin: "admin" },
  signIn: {
    title: "Sign in", key: "API key", keyHelp: "It is exchanged for a session, and is not stored in the browser.", show: "Show the key", submit: "Sign in",
    noKey: "No key yet? An administrator creates one:", command: "Command that creates a key",
  },
  help: { title: "Keyboard shortcuts" },
  palette: {
    open: "Search", placeholder: "Go to a run, model or document, or start an action", pages: "Pages", actions: "Actions",
    failedRuns: "Show failed runs", nothing: "Nothing found. Try a model name, the beginning of a run ID, or words of a file name.",
  },
  common: {
    actions: "Actions", all: "All", cancel: "Cancel", clear: "Clear", clearFilters: "Clear filters", clearSelection: "Clear selection", close: "Close",
    copied: "Copied", copy: "Copy", download: "Download", filter: "Filter", filters: "Filters", loading: "Loading more…", more: "Show more",
    noValue: "no value", reason: "Reason", retry: "Retry", save: "Save", select: "Select {{name}}", selectAll: "Select all",
  },
  error: {
    title: "The request failed", network: "The server does not respond. Check the connection; this page continues when the server is back.",
    requestId: "request", missingTitle: "Page not found", missingText: "There is no page at this address. The link may be incomplete.",
    goHome: "Go to the runs", failedTitle: "This page failed",
  },
  chart: { asTable: "Show as a table" },
  state: {
    queued: "queued", running: "running", retrying: "retrying", cancelling: "cancelling", succeeded: "succeeded", failed: "failed", cancelled: "cancelled",
    lost: "lost", released: "released", working: "working", idle: "idle", draining: "draining", silent: "silent", stopped: "stopped",
    passed: "passed", refused: "refused", insufficient_evidence: "insufficient evidence",
  },
  reviewStatus: { OK: "accepted", CORRECTED: "corrected", NEW: "added", REJECTED: "rejected", MISSING: "no value", UNREVIEWED: "unreviewed" },
  decision: { auto: "answered", needs_review: "needs review" },
};

// Models, versions, aliases, the gate, thresholds, predictions.
export const models = {
  models: {
    newest: "Newest", version: "Version", versions: "Versions", owner: "Owner", published: "Published", none: "No models yet", noneText: "A model appears when its first run publishes a version.",
    noVersions: "No versions yet", noVersionsText: "The rules of this model exist, but no run has published a version.", ownedBy: "Owner: {{owner}}",
    policy: { manual: "promoted manually", automatic: "promoted automatically", approval: "promotion needs approval" },
    tab: { versions: "Versions", compare: "Compare", aliases: "Aliases", thresholds: "Thresholds", try: "Try it" },
    aliases: "Aliases", alias: "Alias", retired: "retired", meanOf: "Mean {{metric}}", overVersions: "Mean {{metric}} over the versions", openRun: "Open the run", promote: "Promote",
    promoteTitle: "Promote {{name}} v{{number}}", aliasUnset: "The alias {{alias}} names no version yet.", aliasNow: "The alias {{alias}} names v{{number}} now.",
    override: "Promote against the gate (needs a reason)", promoted: "{{alias}} names v{{number}} now", requested: "Promotion of v{{number}} waits for approval",
    noAlias: "No aliases yet", noAliasText: "Promote a version; the champion answers requests for predictions.", rollback: "Roll back", rollbackTitle: "Roll back {{alias}}?",
    rollbackText: "The alias {{alias}} names v{{number}} now. It goes back to the version before, without a comparison.", rolledBack: "{{alias}} names v{{number}} again", overridden: "against the gate",
    waitingRequest: "Promotion of v{{number}} to {{alias}} waits for approval", approve: "Approve", reject: "Reject", approveTitle: "Approve the promotion?", rejectTitle: "Reject the promotion?",
    decisionText: "The alias {{alias}} would name v{{number}}.", otherApproves: "Another key must approve it.", decided: "The request is {{state}}",
    onTest: "On the test split", allFields: "all fields", files: "Files",
  },
  aliasAction: { first_version: "First version", promoted: "Promoted", rolled_back: "Rolled back", removed: "Removed" },
  gate: {
    title: "Gate", passed: "The candidate is good enough on every field.", refused: "The candidate is worse than the margin allows.",
    insufficient_evidence: "There are too few common test documents to decide.", difference: "Difference", reason: "Reason", interval: "{{value}}, interval from {{low}} to {{high}}",
  },
  compare: {
    baseline: "Baseline", candidate: "Candidate", one: "There is only one version", oneText: "Train another one to compare it.", onlyCandidate: "Only in the candidate", onlyBaseline: "Only in the baseline",
    summary: "n {{n}} · candidate better on {{wins}}, worse on {{losses}} documents · p = {{p}}", metric: "Metric",
    changed_one: "{{count}} document with different predictions", changed_other: "{{count}} documents with different predictions", openDocument: "Open the document",
  },
  thresholds: {
    current: "Thresholds in effect", at: "Coverage at {{target}}", why: "Why not more", change: "Change the target accuracy", allFields: "all fields", apply: "Apply", changed: "The thresholds are changed", history: "Changes",
  },
  try: {
    text: "Text", textHelp: "Paste the text of a document. It is not stored.", predict: "Predict", result: "Prediction", value: "Value", decision: "Decision", others: "Other values",
    unknown: "The model knows no feature of this text, so it answers nothing.",
  },
};

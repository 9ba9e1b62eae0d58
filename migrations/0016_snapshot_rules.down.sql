DROP FUNCTION snapshot_changes, accepted_values, chosen_documents, text_and_split;

-- no-transaction
DROP INDEX CONCURRENTLY extractions_confidence;

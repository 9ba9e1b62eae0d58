DROP TABLE shadow_disagreements;
DROP TABLE shadow_drops;
DROP TABLE shadow_counts;
ALTER TABLE models DROP COLUMN shadow_share;

DROP TABLE metrics;
DROP TABLE model_versions;
DROP TABLE models;
DROP TABLE objects;
DROP TYPE object_state;

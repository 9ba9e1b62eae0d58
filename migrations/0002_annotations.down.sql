DROP TABLE annotations;
DROP TABLE annotation_events;
DROP TABLE extractions;
DROP TABLE fields;
DROP TYPE review_status;
DROP TYPE field_cardinality;
DROP TYPE field_kind;

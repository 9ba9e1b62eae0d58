DROP TABLE threshold_events;

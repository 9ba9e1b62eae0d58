-- The slices of a wrong prediction, so that the errors behind the metrics of a slice can be listed.

ALTER TABLE run_errors ADD COLUMN slices jsonb CHECK (jsonb_typeof(slices) = 'object');
COMMENT ON COLUMN run_errors.slices IS 'Value of every dimension by which the metrics of the split were computed: {"source": "label-studio"}; NULL if they were not';

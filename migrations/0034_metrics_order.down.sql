DROP INDEX IF EXISTS metrics_order;

DROP FUNCTION comparable_values;
DROP FUNCTION comparable_value;

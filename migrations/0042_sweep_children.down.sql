DROP TABLE sweep_children;
DROP TYPE sweep_role;

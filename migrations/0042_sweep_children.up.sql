-- The runs that a sweep creates: one per trial and rung, and one that trains and publishes the best.

CREATE TYPE sweep_role AS ENUM ('trial', 'winner');

CREATE TABLE sweep_children (
    run_id         uuid PRIMARY KEY REFERENCES training_runs ON DELETE CASCADE,
    sweep_id       uuid NOT NULL REFERENCES training_runs ON DELETE CASCADE,
    role           sweep_role NOT NULL,
    trial          int NOT NULL CHECK (trial >= 1),
    trials         int NOT NULL CHECK (trials >= trial),
    rung           int NOT NULL CHECK (rung >= 1),
    train_fraction float8 CHECK (train_fraction > 0 AND train_fraction < 1),
    chosen         jsonb NOT NULL,
    UNIQUE (sweep_id, role, trial, rung),
    CONSTRAINT only_trials_train_on_a_part CHECK (role = 'trial' OR train_fraction IS NULL)
);
COMMENT ON TABLE sweep_children IS 'A run that a sweep created';
COMMENT ON COLUMN sweep_children.trial IS 'Number of the trial, from 1; of the winner, that of the best trial';
COMMENT ON COLUMN sweep_children.trials IS 'Number of trials of the sweep';
COMMENT ON COLUMN sweep_children.rung IS 'Rung of successive halving, from 1; always 1 without it';
COMMENT ON COLUMN sweep_children.train_fraction IS 'Part of train on which the trial trains; NULL = the whole';
COMMENT ON COLUMN sweep_children.chosen IS 'The parameters that the sweep varies';
CREATE UNIQUE INDEX sweep_children_one_winner ON sweep_children (sweep_id) WHERE role = 'winner';

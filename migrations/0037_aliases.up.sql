-- Which version of a model answers: aliases, their history, and the rules of a promotion.
ALTER TABLE models
    ADD COLUMN description   text NOT NULL DEFAULT '' CHECK (length(description) <= 4000),
    ADD COLUMN owner         text CHECK (length(owner) BETWEEN 1 AND 200),
    ADD COLUMN first_version text NOT NULL DEFAULT 'auto' CHECK (first_version IN ('auto', 'manual')),
    ADD COLUMN promotion     text NOT NULL DEFAULT 'manual' CHECK (promotion IN ('manual', 'automatic', 'approval')),
    ADD COLUMN gate          jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(gate) = 'object'),
    ADD COLUMN revision      int NOT NULL DEFAULT 1 CHECK (revision >= 1);
COMMENT ON COLUMN models.first_version IS 'auto = version 1 becomes champion when it is published; manual = somebody promotes it';
COMMENT ON COLUMN models.promotion IS 'manual = somebody promotes; automatic = a version that passes the gate is promoted; approval = a second key approves';
COMMENT ON COLUMN models.gate IS 'Rules of the gate; what is not named has its default';
COMMENT ON COLUMN models.revision IS 'Increases with every change of the settings; the ETag of the model';

ALTER TABLE model_versions
    ADD COLUMN gate_due       boolean NOT NULL DEFAULT false,
    ADD COLUMN gate           jsonb,
    ADD COLUMN retired_at     timestamptz,
    ADD COLUMN retired_by     text,
    ADD COLUMN retired_reason text,
    ADD CONSTRAINT a_retirement_has_an_actor CHECK ((retired_at IS NULL) = (retired_by IS NULL));
COMMENT ON COLUMN model_versions.gate_due IS 'The version was published under automatic promotion, and the gate has not decided yet';
COMMENT ON COLUMN model_versions.gate IS 'What the gate decided under automatic promotion; null where it was not asked';
COMMENT ON COLUMN model_versions.retired_at IS 'Since then the version answers nothing and cannot be promoted';
CREATE INDEX model_versions_gate_due ON model_versions (created_at) WHERE gate_due;

CREATE TABLE model_aliases (
    model    text NOT NULL REFERENCES models,
    alias    text NOT NULL CHECK (alias ~ '^[a-z][a-z0-9._-]{0,62}$'),
    number   int NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, number) REFERENCES model_versions (model, number)
);
COMMENT ON TABLE model_aliases IS 'A movable name of a version; predictions ask the alias champion unless the request names another';
COMMENT ON COLUMN model_aliases.revision IS 'Id of the event that set it; the ETag of the alias';
CREATE INDEX model_aliases_version ON model_aliases (model, number);

CREATE TABLE alias_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model       text NOT NULL REFERENCES models,
    alias       text NOT NULL,
    action      text NOT NULL CHECK (action IN ('first_version', 'promoted', 'rolled_back', 'removed')),
    from_number int,
    to_number   int,
    actor       text NOT NULL,
    reason      text CHECK (length(reason) <= 2000),
    gate        jsonb,
    overridden  boolean NOT NULL DEFAULT false,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT only_a_removal_has_no_version CHECK ((to_number IS NULL) = (action = 'removed')),
    CONSTRAINT an_override_has_a_reason CHECK (NOT overridden OR length(reason) >= 1)
);
COMMENT ON TABLE alias_events IS 'Append-only history of aliases. The row of the model is locked, so times increase with the ids';
COMMENT ON COLUMN alias_events.gate IS 'Result of the gate; null where none was asked';
COMMENT ON COLUMN alias_events.overridden IS 'An admin promoted against the gate';
CREATE INDEX alias_events_alias ON alias_events (model, alias, id);
CREATE TRIGGER alias_events_append_only BEFORE UPDATE OR DELETE ON alias_events FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE promotion_requests (
    id               uuid PRIMARY KEY,
    model            text NOT NULL REFERENCES models,
    alias            text NOT NULL,
    number           int NOT NULL,
    state            text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'rejected', 'outdated')),
    alias_revision   bigint NOT NULL,
    requested_by     text NOT NULL,
    requested_by_key uuid NOT NULL,
    requested_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason           text CHECK (length(reason) <= 2000),
    gate             jsonb,
    overridden       boolean NOT NULL DEFAULT false,
    decided_by       text,
    decided_by_key   uuid,
    decided_at       timestamptz,
    decision_reason  text CHECK (length(decision_reason) <= 2000),
    FOREIGN KEY (model, number) REFERENCES model_versions (model, number),
    CONSTRAINT a_decision_has_an_actor CHECK ((decided_at IS NULL) = (decided_by IS NULL)),
    CONSTRAINT a_request_is_pending_until_its_decision CHECK ((state = 'pending') = (decided_at IS NULL)),
    CONSTRAINT no_key_approves_its_own_request CHECK (state <> 'approved' OR decided_by_key IS DISTINCT FROM requested_by_key)
);
COMMENT ON TABLE promotion_requests IS 'Promotions that a second key must approve';
COMMENT ON COLUMN promotion_requests.alias_revision IS 'Revision of the alias when the gate compared; 0 = there was no alias. An approval needs the same one';
CREATE UNIQUE INDEX promotion_requests_pending ON promotion_requests (model, alias, number) WHERE state = 'pending';
CREATE INDEX promotion_requests_model ON promotion_requests (model, requested_at);

-- Until now the newest version of a model answered, encoders included: it stays in place.
WITH events AS (
    INSERT INTO alias_events (model, alias, action, to_number, actor, reason)
    SELECT m.name, 'champion', 'first_version', m.last_number, 'migration', 'the newest version when aliases were introduced'
    FROM models m
    WHERE EXISTS (SELECT FROM model_versions v WHERE v.model = m.name AND v.number = m.last_number)
    RETURNING id, model, alias, to_number
)
INSERT INTO model_aliases (model, alias, number, revision)
SELECT model, alias, to_number, id FROM events;

-- Row-level security for an app behind bailiff. PostgreSQL 14 or later. Run once, as a superuser, in the app's database:
--
--   psql -v ON_ERROR_STOP=1 --single-transaction -f postgres-rls.sql
--
-- Why each line is as it is: postgres-row-level-security.md. The end-to-end tests run this very file.

-- 1. Two roles: one owns the tables and runs migrations, the other is the app.
CREATE ROLE app_owner NOLOGIN;
CREATE ROLE app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;

CREATE SCHEMA app AUTHORIZATION app_owner;
SET ROLE app_owner;

-- 2. Who asks. Absent or empty is NULL, and NULL equals nothing: without a name there is no row.
CREATE FUNCTION app.user_id() RETURNS text LANGUAGE sql STABLE
  RETURN NULLIF(current_setting('app.user_id', true), '');
CREATE FUNCTION app.org_id() RETURNS text LANGUAGE sql STABLE
  RETURN NULLIF(current_setting('app.org_id', true), '');

-- 3. Rows of one user. The owner's column fills itself.
CREATE TABLE app.memories (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id text NOT NULL DEFAULT app.user_id(),
  entity_name text NOT NULL,
  content text NOT NULL
);
CREATE INDEX ON app.memories (user_id);

ALTER TABLE app.memories ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.memories FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON app.memories
  USING (user_id = app.user_id())
  WITH CHECK (user_id = app.user_id());

-- 4. Rows of one tenant: its users share them, but each changes and deletes only what they wrote.
CREATE TABLE app.vectors (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id text NOT NULL DEFAULT app.org_id(),
  user_id text NOT NULL DEFAULT app.user_id(),
  document text NOT NULL
);
CREATE INDEX ON app.vectors (org_id);

ALTER TABLE app.vectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.vectors FORCE ROW LEVEL SECURITY;

CREATE POLICY rows_of_the_tenant ON app.vectors
  USING (org_id = app.org_id())
  WITH CHECK (org_id = app.org_id());
-- Policies are joined with OR unless they are restrictive.
CREATE POLICY written_as_oneself ON app.vectors AS RESTRICTIVE FOR INSERT
  WITH CHECK (user_id = app.user_id());
CREATE POLICY changed_by_the_writer ON app.vectors AS RESTRICTIVE FOR UPDATE
  USING (user_id = app.user_id());
CREATE POLICY deleted_by_the_writer ON app.vectors AS RESTRICTIVE FOR DELETE
  USING (user_id = app.user_id());

-- 5. No TRUNCATE, no REFERENCES: neither asks the policies.
GRANT USAGE ON SCHEMA app TO app;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.memories, app.vectors TO app;

RESET ROLE;

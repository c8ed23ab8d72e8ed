-- The app's own tables as bailiff's membership. PostgreSQL 14 or later. Run once, as a superuser, in the app's database:
--
--   psql -v ON_ERROR_STOP=1 --single-transaction -f postgres-membership.sql
--
-- Why each line is as it is: postgres-membership.md. The end-to-end tests run this very file.

-- 1. The tables of a typical app. Yours are there already: leave this part out, and put your names into the others.
CREATE SCHEMA product;

CREATE TABLE product.users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  clerk_id text UNIQUE,
  email text,
  name text,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('pending', 'active', 'suspended')),
  is_founder boolean NOT NULL DEFAULT false,
  activated_at timestamptz,
  password_reset_token text,
  last_seen_at timestamptz
);

CREATE TABLE product.workspaces (
  id text PRIMARY KEY,
  clerk_org_id text UNIQUE
);

CREATE TABLE product.members (
  workspace_id text NOT NULL REFERENCES product.workspaces ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES product.users ON DELETE CASCADE,
  role text NOT NULL DEFAULT 'member',
  PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX ON product.members (user_id);

-- 2. A role that can read these columns, and nothing else. Give it a password: ALTER ROLE bailiff PASSWORD '…';
CREATE ROLE bailiff LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 50;
GRANT USAGE ON SCHEMA product TO bailiff;
GRANT SELECT (id, clerk_id, email, name, status, is_founder, activated_at) ON product.users TO bailiff;
GRANT SELECT (id, clerk_org_id) ON product.workspaces TO bailiff;
GRANT SELECT (workspace_id, user_id, role) ON product.members TO bailiff;

-- 3. Say when something has changed. Once for a statement, however many rows it changes; several in one transaction are heard once.
CREATE FUNCTION product.tell_bailiff() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('bailiff_membership', '');
  RETURN NULL;
END
$$;

CREATE TRIGGER tell_bailiff
  AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF id, clerk_id, email, name, status, is_founder, activated_at
  ON product.users FOR EACH STATEMENT EXECUTE FUNCTION product.tell_bailiff();
CREATE TRIGGER tell_bailiff
  AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON product.workspaces
  FOR EACH STATEMENT EXECUTE FUNCTION product.tell_bailiff();
CREATE TRIGGER tell_bailiff
  AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON product.members
  FOR EACH STATEMENT EXECUTE FUNCTION product.tell_bailiff();

-- In one transaction. Every other role becomes an ordinary one as well, and nobody stays a member of one that is not. 16384 is
-- the first oid of an object that is not the system's; what an extension consists of stays the superuser's.
do $$
declare
  former oid[] := array(select oid from pg_roles where rolsuper);
  hash text;
  found record;
begin
  if (select rolname from pg_roles where oid = 10) <> 'airflow' then
    return;
  end if;
  for found in select oid from pg_roles where rolname = 'postgres' loop
    execute format('alter role postgres rename to %I', 'postgres_' || found.oid);
  end loop;
  for found in select rolname from pg_roles where oid >= 16384 and rolname <> current_user loop
    execute format('alter role %I nosuperuser nocreatedb nocreaterole noreplication nobypassrls', found.rolname);
  end loop;
  for found in
    select pg_get_userbyid(roleid) as role, pg_get_userbyid(member) as member, pg_get_userbyid(grantor) as grantor
    from pg_auth_members where roleid = any (former) or pg_get_userbyid(roleid) ~ '^pg_' and member >= 16384
  loop
    execute format('revoke %I from %I granted by %I cascade', found.role, found.member, found.grantor);
  end loop;
  select rolpassword into hash from pg_authid where oid = 10;
  alter role airflow rename to postgres;
  alter role postgres password null;
  execute format('create role airflow login password %L', hash);
  alter database airflow owner to airflow;
  for found in
    select object.type, object.identity
    from (
      select tableoid as class, oid from pg_namespace where nspowner = any (former)
      -- The sequence of a column follows its table; arrays, the rows of tables and multiranges follow what they are of.
      union all select c.tableoid, c.oid from pg_class c where relowner = any (former)
        and (relkind in ('r', 'p', 'v', 'm', 'f') or relkind = 'S' and not exists (
          select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype in ('a', 'i')))
      union all select t.tableoid, t.oid from pg_type t left join pg_class c on c.oid = typrelid where typowner = any (former)
        and (typtype in ('b', 'd', 'e', 'r') or relkind = 'c') and not exists (select from pg_type where typarray = t.oid)
      union all select tableoid, oid from pg_proc where proowner = any (former)
      union all select tableoid, oid from pg_operator where oprowner = any (former)
      union all select tableoid, oid from pg_opclass where opcowner = any (former)
      union all select tableoid, oid from pg_opfamily where opfowner = any (former)
      union all select tableoid, oid from pg_collation where collowner = any (former)
      union all select tableoid, oid from pg_conversion where conowner = any (former)
      union all select tableoid, oid from pg_statistic_ext where stxowner = any (former)
      union all select tableoid, oid from pg_ts_config where cfgowner = any (former)
      union all select tableoid, oid from pg_ts_dict where dictowner = any (former)
      union all select 'pg_largeobject'::regclass, oid from pg_largeobject_metadata where lomowner = any (former)
    ) as owned, pg_identify_object(class, oid, 0) as object
    where oid >= 16384 and coalesce(object.schema, object.name, '') !~ '^"?pg_'
      and not exists (select from pg_depend where classid = class and objid = oid and deptype = 'e')
  loop
    execute format('alter %s %s owner to airflow', replace(found.type, 'statistics object', 'statistics'), found.identity);
  end loop;
  -- What was made to run with a superuser's rights runs with those of whoever calls it.
  for found in select oid::regprocedure as function from pg_proc where prosecdef and oid >= 16384 and proowner = any (former) loop
    execute format('alter routine %s security invoker', found.function);
  end loop;
  for found in select datname from pg_database where datname <> 'airflow' loop
    execute format('revoke connect on database %I from public', found.datname);
  end loop;
end $$

-- Nobody can rename the role that they have logged in as. What was cut short may still be at work.
do $$ begin
  perform pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid();
  while exists (select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()) loop
    perform pg_sleep(0.1), pg_stat_clear_snapshot();
  end loop;
  if not exists (select from pg_roles where rolname = 'flights_mlops_helper') then
    create role flights_mlops_helper;
  end if;
  alter role flights_mlops_helper superuser login password null;
end $$

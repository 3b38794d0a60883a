CREATE TABLE IF NOT EXISTS "public"."pipeline_loads" (
  "load_id" VARCHAR(127) NOT NULL,
  "table_name" VARCHAR(127) NOT NULL,
  "rows" BIGINT NOT NULL,
  "run_id" VARCHAR(40) NOT NULL,
  "loaded_at" TIMESTAMP NOT NULL,
  PRIMARY KEY ("load_id")
);

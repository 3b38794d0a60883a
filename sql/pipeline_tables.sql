CREATE TABLE IF NOT EXISTS "public"."pipeline_tables" (
  "table_name" VARCHAR(127) NOT NULL,
  "last_load_id" VARCHAR(127),
  "updated_at" TIMESTAMP,
  PRIMARY KEY ("table_name")
);

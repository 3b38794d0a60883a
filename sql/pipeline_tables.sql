-- One row per target table. Loads lock this table before anything else, so they go one by one and
-- readers of the target never wait. The key is what a change of the contract's key is noticed by.
CREATE TABLE IF NOT EXISTS "public"."pipeline_tables" (
  "table_name" VARCHAR(127) NOT NULL,
  "dataset_name" VARCHAR(63) NOT NULL,
  "key_columns" VARCHAR(4096) NOT NULL,
  "updated_at" TIMESTAMP NOT NULL,
  PRIMARY KEY ("table_name")
);

-- The load ledger: one row per unit that was loaded, written by the transaction that loaded it. A
-- repeat of the load finds it and changes nothing; a load of other rows of the unit (by the digest of
-- its files), as a later attempt of the run may make, replaces it.
CREATE TABLE IF NOT EXISTS "public"."pipeline_loads" (
  "load_id" VARCHAR(127) NOT NULL,
  "table_name" VARCHAR(127) NOT NULL,
  "run_id" VARCHAR(40) NOT NULL,
  "unit_id" VARCHAR(16) NOT NULL,
  "version" VARCHAR(96) NOT NULL,
  "rows_copied" BIGINT NOT NULL,
  "rows_duplicate" BIGINT NOT NULL,
  "rows_older" BIGINT NOT NULL,
  "rows_merged" BIGINT NOT NULL,
  "loaded_at" TIMESTAMP NOT NULL,
  "digest" VARCHAR(64),
  "run_attempt" INTEGER,
  PRIMARY KEY ("load_id")
);

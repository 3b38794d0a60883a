-- One row per run; a later attempt of the run replaces it.
CREATE TABLE IF NOT EXISTS "public"."pipeline_runs" (
  "run_id" VARCHAR(40) NOT NULL,
  "dataset_name" VARCHAR(63) NOT NULL,
  "dataset_version" VARCHAR(16),
  "status" VARCHAR(16) NOT NULL,
  "run_attempt" INTEGER NOT NULL,
  "units_total" INTEGER NOT NULL,
  "units_stored" INTEGER NOT NULL,
  "units_failed" INTEGER NOT NULL,
  "rows_in" BIGINT NOT NULL,
  "rows_filtered" BIGINT NOT NULL,
  "rows_rejected" BIGINT NOT NULL,
  "rows_removed" BIGINT NOT NULL,
  "rows_stored" BIGINT NOT NULL,
  "rows_warned" BIGINT NOT NULL,
  "rows_superseded" BIGINT,
  "started_at" TIMESTAMP NOT NULL,
  "ended_at" TIMESTAMP NOT NULL,
  "results_url" VARCHAR(1200),
  "reason" VARCHAR(4096),
  PRIMARY KEY ("run_id")
);

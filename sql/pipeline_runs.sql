CREATE TABLE IF NOT EXISTS "public"."pipeline_runs" (
  "run_id" VARCHAR(40) NOT NULL,
  "dataset_name" VARCHAR(63) NOT NULL,
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
  "started_at" TIMESTAMP NOT NULL,
  "ended_at" TIMESTAMP NOT NULL,
  "reason" VARCHAR(4096),
  PRIMARY KEY ("run_id")
);

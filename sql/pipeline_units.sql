-- One row per unit (source object) of a run that was begun.
CREATE TABLE IF NOT EXISTS "public"."pipeline_units" (
  "run_id" VARCHAR(40) NOT NULL,
  "unit_id" VARCHAR(16) NOT NULL,
  "run_attempt" INTEGER NOT NULL,
  "source_url" VARCHAR(1200),
  "source_bytes" BIGINT,
  "status" VARCHAR(16) NOT NULL,
  "rows_in" BIGINT NOT NULL,
  "rows_filtered" BIGINT NOT NULL,
  "rows_rejected" BIGINT NOT NULL,
  "rows_removed" BIGINT NOT NULL,
  "rows_stored" BIGINT NOT NULL,
  "rows_warned" BIGINT NOT NULL,
  "rows_superseded" BIGINT,
  "started_at" TIMESTAMP,
  "ended_at" TIMESTAMP,
  "failed_stage" VARCHAR(63),
  "error_type" VARCHAR(127),
  "error" VARCHAR(4096),
  PRIMARY KEY ("run_id", "unit_id")
);

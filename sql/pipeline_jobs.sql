-- One row per job of a run: Glue, EMR and warehouse loads, every attempt.
CREATE TABLE IF NOT EXISTS "public"."pipeline_jobs" (
  "run_id" VARCHAR(40) NOT NULL,
  "unit_id" VARCHAR(16) NOT NULL,
  "stage" VARCHAR(63) NOT NULL,
  "attempt" INTEGER NOT NULL,
  "job_id" VARCHAR(40) NOT NULL,
  "engine" VARCHAR(16) NOT NULL,
  "service_id" VARCHAR(255),
  "state" VARCHAR(16) NOT NULL,
  "submitted_at" TIMESTAMP NOT NULL,
  "ended_at" TIMESTAMP,
  "input_url" VARCHAR(1200),
  "output_url" VARCHAR(1200),
  "error" VARCHAR(4096),
  "log_url" VARCHAR(4096),
  PRIMARY KEY ("run_id", "unit_id", "stage", "attempt")
);

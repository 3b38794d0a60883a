"""Remote jobs: one adapter per engine behind one small interface (`remote_jobs.base`)."""

SELECT
  "id",
  "n",
  "country"
FROM (
  SELECT
    *,
    "text-id" AS "id",
    CASE WHEN CAST(TRY_CAST("text-n" AS BIGINT) AS VARCHAR) = "text-n" THEN TRY_CAST("text-n" AS BIGINT) ELSE CASE WHEN regexp_full_match(trim("text-n"), '[+-]?\d+') THEN TRY_CAST(trim("text-n") AS BIGINT) END END AS "n",
    "text-country" AS "country"
  FROM (
    SELECT
      file.file_row_number - 0 + 1 AS "row-number",
      nullif(CAST(c0 AS VARCHAR), '') AS "text-id",
      nullif(CAST(c1 AS VARCHAR), '') AS "text-n",
      nullif(CAST(c2 AS VARCHAR), '') AS "text-country",
      CAST(NULL AS VARCHAR) AS "row-fault"
    FROM read_parquet('/tmp/duck-scratch/source.parquet') AS file(c0, c1, c2, c3)
    WHERE file.file_row_number >= 0 AND file.file_row_number < 1
  )
)
WHERE CASE
  -- rejected, or no row: logged
  WHEN ("row-fault" IS NOT NULL)
    OR (NOT ("text-n" IS NOT NULL AND "n" IS NULL) AND (n > 10
) IS NOT TRUE)
    OR ("text-id" IS NULL)
    OR ("text-n" IS NOT NULL AND "n" IS NULL)
    OR ("n" < CAST('0' AS BIGINT))
    OR (coalesce(TRY(NOT coalesce((n < 1000 OR country = 'AT'
), true)), true))
  THEN write_log(CAST(to_json(list_concat(
    [CAST("row-number" AS VARCHAR), CAST(NULL AS VARCHAR),
    CASE
      WHEN "row-fault" IS NOT NULL THEN 'malformed'
      WHEN NOT ("text-n" IS NOT NULL AND "n" IS NULL) AND (n > 10
) IS NOT TRUE THEN 'filtered'
      WHEN true THEN concat_ws(',', NULL,
        CASE WHEN "text-id" IS NULL THEN '0' END,
        CASE WHEN "text-n" IS NOT NULL AND "n" IS NULL THEN '2' END,
        CASE WHEN "n" < CAST('0' AS BIGINT) THEN '3' END,
        CASE WHEN "text-country" NOT IN ('AT', 'DE') THEN '4' END,
        CASE WHEN coalesce(TRY(NOT coalesce((n < 1000 OR country = 'AT'
), true)), true) THEN '5' END)
    END],
    CASE WHEN ((NOT ("text-n" IS NOT NULL AND "n" IS NULL) AND (n > 10
) IS NOT TRUE)) IS NOT TRUE THEN ["text-id", "text-n", "text-country", "row-fault"] END
  )) AS VARCHAR), log_type := 'flagged') IS NOT NULL
  -- valid, but warned of: counted, and the first of each rule are logged
  WHEN ("text-country" NOT IN ('AT', 'DE'))
  THEN CASE
  WHEN least(
    nextval('warned'),
    CASE WHEN "text-country" NOT IN ('AT', 'DE') THEN nextval('warned_4') END
  ) <= 3
  THEN write_log(CAST(to_json(list_concat(
    [CAST("row-number" AS VARCHAR), CAST(NULL AS VARCHAR),
    concat_ws(',', NULL,
        CASE WHEN "text-country" NOT IN ('AT', 'DE') THEN '4' END)],
    ["text-id", "text-n", "text-country", "row-fault"]
  )) AS VARCHAR), log_type := 'flagged') IS NULL
  ELSE true END
  ELSE true
END

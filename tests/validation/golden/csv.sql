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
      *,
      "field-0" AS "text-id",
      "field-1" AS "text-n",
      "field-2" AS "text-country"
    FROM (
      SELECT *, row_number() OVER () AS "row-number"
      FROM read_csv('/tmp/duck-scratch/chunk-00000.txt', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', columns = {'field-0': 'VARCHAR', 'field-1': 'VARCHAR', 'field-2': 'VARCHAR', 'field-3': 'VARCHAR'}, nullstr = '', new_line = '\n', parallel = false, store_rejects = true, rejects_limit = 0, rejects_table = 'unreadable', rejects_scan = 'unreadable_scan', rejects_line_size_limit = 2000000)
    )
  )
)
WHERE CASE
  -- rejected, or no row: logged
  WHEN (NOT ("text-n" IS NOT NULL AND "n" IS NULL) AND (n > 10
) IS NOT TRUE)
    OR ((strlen("field-3") < 0))
    OR ("text-id" IS NULL)
    OR ("text-n" IS NOT NULL AND "n" IS NULL)
    OR ("n" < CAST('0' AS BIGINT))
    OR (coalesce(TRY(NOT coalesce((n < 1000 OR country = 'AT'
), true)), true))
  THEN write_log(CAST(to_json(list_concat(
    [CAST("row-number" AS VARCHAR), CAST(CASE WHEN contains(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10)) THEN strlen(concat_ws('', "field-0", "field-1", "field-2", "field-3")) - strlen(replace(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10), '')) END AS VARCHAR),
    CASE
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
) IS NOT TRUE)) IS NOT TRUE THEN ["field-0", "field-1", "field-2", "field-3"] END
  )) AS VARCHAR), log_type := 'flagged') IS NOT NULL
  -- valid, but warned of: counted, and the first of each rule are logged
  WHEN ("text-country" NOT IN ('AT', 'DE'))
  THEN CASE
  WHEN least(
    nextval('warned'),
    CASE WHEN "text-country" NOT IN ('AT', 'DE') THEN nextval('warned_4') END
  ) <= 3
  THEN write_log(CAST(to_json(list_concat(
    [CAST("row-number" AS VARCHAR), CAST(CASE WHEN contains(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10)) THEN strlen(concat_ws('', "field-0", "field-1", "field-2", "field-3")) - strlen(replace(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10), '')) END AS VARCHAR),
    concat_ws(',', NULL,
        CASE WHEN "text-country" NOT IN ('AT', 'DE') THEN '4' END)],
    ["field-0", "field-1", "field-2", "field-3"]
  )) AS VARCHAR), log_type := 'flagged') IS NULL
  WHEN (CASE WHEN contains(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10)) THEN strlen(concat_ws('', "field-0", "field-1", "field-2", "field-3")) - strlen(replace(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10), '')) END) IS NOT NULL
  THEN write_log(CAST(to_json([CAST("row-number" AS VARCHAR), CAST(CASE WHEN contains(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10)) THEN strlen(concat_ws('', "field-0", "field-1", "field-2", "field-3")) - strlen(replace(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10), '')) END AS VARCHAR), NULL]) AS VARCHAR), log_type := 'flagged') IS NULL
  ELSE true END
  -- valid, and takes more than one line
  WHEN (CASE WHEN contains(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10)) THEN strlen(concat_ws('', "field-0", "field-1", "field-2", "field-3")) - strlen(replace(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10), '')) END) IS NOT NULL
  THEN write_log(CAST(to_json([CAST("row-number" AS VARCHAR), CAST(CASE WHEN contains(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10)) THEN strlen(concat_ws('', "field-0", "field-1", "field-2", "field-3")) - strlen(replace(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10), '')) END AS VARCHAR), NULL]) AS VARCHAR), log_type := 'flagged') IS NULL
  ELSE true
END

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
      SELECT
        * REPLACE (nullif("field-0", '') AS "field-0", nullif("field-1", '') AS "field-1", nullif("field-2", '') AS "field-2", nullif("field-3", '') AS "field-3"),
        CASE WHEN ("field-3" IS NULL) OR ("field-4" <> '') THEN CASE WHEN "field-4" IS NOT NULL THEN 5 WHEN "field-3" IS NOT NULL THEN 4 WHEN "field-2" IS NOT NULL THEN 3 WHEN "field-1" IS NOT NULL THEN 2 WHEN "field-0" IS NOT NULL THEN 1 ELSE 0 END END AS "fields-found"
      FROM (
      SELECT *, row_number() OVER () AS "row-number"
      FROM read_csv('/tmp/duck-scratch/chunk-00000.txt', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', columns = {'field-0': 'VARCHAR', 'field-1': 'VARCHAR', 'field-2': 'VARCHAR', 'field-3': 'VARCHAR', 'field-4': 'VARCHAR'}, nullstr = '\x0d
', allow_quoted_nulls = false, null_padding = true, new_line = '\n', parallel = false, store_rejects = true, rejects_limit = 0, rejects_table = 'unreadable', rejects_scan = 'unreadable_scan', rejects_line_size_limit = 2000000)
    )
    )
  )
)
WHERE CASE
  -- lacks columns: logged by its numbers
  WHEN "fields-found" IS NOT NULL
  THEN CASE WHEN (CASE WHEN contains(concat_ws('', "field-0", "field-1", "field-2", "field-3", "field-4"), chr(10)) THEN strlen(concat_ws('', "field-0", "field-1", "field-2", "field-3", "field-4")) - strlen(replace(concat_ws('', "field-0", "field-1", "field-2", "field-3", "field-4"), chr(10), '')) END) IS NULL THEN write_log(hex("row-number" + "fields-found" * 1099511627776 + 1152921504606846976), log_type := 'short') ELSE write_log(hex("row-number" + "fields-found" * 1099511627776 + 1152921504606846976) || hex((CASE WHEN contains(concat_ws('', "field-0", "field-1", "field-2", "field-3", "field-4"), chr(10)) THEN strlen(concat_ws('', "field-0", "field-1", "field-2", "field-3", "field-4")) - strlen(replace(concat_ws('', "field-0", "field-1", "field-2", "field-3", "field-4"), chr(10), '')) END) + 1152921504606846976), log_type := 'short-lines') END IS NOT NULL
  -- rejected, or no row: logged
  WHEN ((strlen("field-3") < 0))
    OR ("text-id" IS NULL)
    OR ("text-n" IS NOT NULL AND "n" IS NULL)
    OR ("n" < CAST('0' AS BIGINT))
  THEN write_log(CAST(to_json(list_concat(
    [CAST("row-number" AS VARCHAR), CAST(CASE WHEN contains(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10)) THEN strlen(concat_ws('', "field-0", "field-1", "field-2", "field-3")) - strlen(replace(concat_ws('', "field-0", "field-1", "field-2", "field-3"), chr(10), '')) END AS VARCHAR),
    CASE
      WHEN true THEN concat_ws(',', NULL,
        CASE WHEN "text-id" IS NULL THEN '0' END,
        CASE WHEN "text-n" IS NOT NULL AND "n" IS NULL THEN '2' END,
        CASE WHEN "n" < CAST('0' AS BIGINT) THEN '3' END,
        CASE WHEN "text-country" NOT IN ('AT', 'DE') THEN '4' END)
    END],
    CASE WHEN (false) IS NOT TRUE THEN ["field-0", "field-1", "field-2", "field-3"] END
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
  ELSE true END
  ELSE true
END

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
      nullif("json-values"[1], '') AS "text-id",
      nullif("json-values"[2], '') AS "text-n",
      nullif("json-values"[3], '') AS "text-country"
    FROM (
      SELECT *, CASE WHEN ((CASE WHEN json_valid("json-line") THEN json_type("json-line") END) = 'OBJECT') IS NOT TRUE THEN NULL WHEN regexp_matches("json-line", '[:,\[\s-]([0-9.]{16}|[0-9.]+[eE]|0\.000)|[:,\[\s]-0|\.[0-9]*0([\s,\]}]|$)') THEN list_transform(list_zip(json_type("json-line", ['/id', '/n', '/country']), json_extract_string("json-line", ['/id', '/n', '/country']), json_extract_string(replace(replace(replace(regexp_replace(replace("json-line", '\u0002', '\u0002\u0002'), '("(?:[^"\\]|\\.)*")|(-?[0-9][-+0-9.eE]*)', '\1\x02\2\x03', 'g'), '\x02\x03', ''), '\x02', '"\u0002'), '\x03', '"'), ['/id', '/n', '/country'])), lambda found: CASE WHEN found[1] IN ('DOUBLE', 'BIGINT', 'UBIGINT') THEN substr(found[3], 2) WHEN found[1] IN ('OBJECT', 'ARRAY') THEN replace(regexp_replace(found[3], '"\\u0002(-?[0-9][-+0-9.eE]*)"', '\1', 'g'), '\u0002\u0002', '\u0002') ELSE found[2] END) ELSE json_extract_string("json-line", ['/id', '/n', '/country']) END AS "json-values"
      FROM (
      SELECT *, row_number() OVER () AS "row-number"
      FROM read_csv('/tmp/duck-scratch/chunk-00000.txt', auto_detect = false, header = false, delim = '\x01', quote = '', escape = '', columns = {'json-line': 'VARCHAR'}, new_line = '\n', parallel = false, store_rejects = true, rejects_limit = 0, rejects_table = 'unreadable', rejects_scan = 'unreadable_scan', rejects_line_size_limit = 2000000)
    )
    )
  )
)
WHERE CASE
  -- rejected, or no row: logged
  WHEN ("json-line" IS NULL OR ("json-line" < '!' AND trim("json-line", concat(' ', chr(9))) = ''))
    OR (("json-line" IS NULL OR ("json-line" < '!' AND trim("json-line", concat(' ', chr(9))) = '')) IS NOT TRUE AND ((CASE WHEN json_valid("json-line") THEN json_type("json-line") END) = 'OBJECT') IS NOT TRUE)
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
      WHEN "json-line" IS NULL OR ("json-line" < '!' AND trim("json-line", concat(' ', chr(9))) = '') THEN 'blank'
      WHEN ("json-line" IS NULL OR ("json-line" < '!' AND trim("json-line", concat(' ', chr(9))) = '')) IS NOT TRUE AND ((CASE WHEN json_valid("json-line") THEN json_type("json-line") END) = 'OBJECT') IS NOT TRUE THEN 'malformed'
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
    CASE WHEN (("json-line" IS NULL OR ("json-line" < '!' AND trim("json-line", concat(' ', chr(9))) = '')) OR (NOT ("text-n" IS NOT NULL AND "n" IS NULL) AND (n > 10
) IS NOT TRUE)) IS NOT TRUE THEN "json-values" END
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
    "json-values"
  )) AS VARCHAR), log_type := 'flagged') IS NULL
  ELSE true END
  ELSE true
END

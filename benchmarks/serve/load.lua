-- Sends one body again and again and prints the figures as JSON. A binary body names its JSON's length in its first line.
local file = io.open(os.getenv("BODY"), "rb")
local body = file:read("*a")
file:close()
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local length, rest = body:match("^(%d+)\n(.*)$")
if length then
  wrk.headers["Inference-Header-Content-Length"] = length
  wrk.headers["Content-Type"] = "application/octet-stream"
  body = rest
end
wrk.body = body

local pause = tonumber(os.getenv("PAUSE_MS")) or 0
if pause > 0 then
  function delay()
    return pause
  end
end

function done(summary, latency)
  local errors = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"errors":%d}\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, errors))
end

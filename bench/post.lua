-- wrk: POSTs the file $BODY again and again and tells the numbers as JSON.
wrk.method = "POST"
wrk.headers["Content-Type"] = os.getenv("TYPE")
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.body = file:read("*a")
file:close()

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\n{"requests": %d, "seconds": %.6f, "errors": %d, "p50": %.1f, "p99": %.1f}\n', summary.requests,
    summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50),
    latency:percentile(99)))
end

-- Clients pause between an answer and their next request for THINK_MS milliseconds on average, uniformly from 0 to twice that.
local think_ms = tonumber(os.getenv("THINK_MS") or "0")
if think_ms > 0 then
    function delay()
        return math.random(0, 2 * think_ms)
    end
end

-- Writes the result of a run as a line of JSON after wrk's own output.
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"duration_us":%d,"p99_us":%d,"failed":%d}\n',
        summary.requests, summary.duration, latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout
    ))
end

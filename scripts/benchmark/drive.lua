-- Sends the requests of a file, one after another and round again: "method <tab> path <tab> body" a line.
-- "@N@" becomes a number that no other request of this run has, "@D@" seven digits.
local lines, next_line, number = {}, 0, 0
local run = os.getenv("RUN_NUMBER")
local headers = { ["Content-Type"] = "application/json", ["Authorization"] = os.getenv("AUTHORIZATION") }

-- As a trusted proxy would: each request comes from somebody else.
local addresses = os.getenv("ADDRESSES") == "1"

for line in io.lines(os.getenv("REQUESTS")) do
  local method, path, body = line:match("^(%S+)\t(%S+)\t?(.*)$")
  lines[#lines + 1] = { method, path, body }
end

function fill(body)
  return (body:gsub("@N@", run .. "x" .. number):gsub("@D@", string.format("%07d", math.random(2000000, 9999999))))
end

function request()
  next_line = next_line % #lines + 1
  local method, path, body = table.unpack(lines[next_line])
  if body == "" then return wrk.format(method, path, headers) end
  number = number + 1
  if addresses then
    headers["X-Forwarded-For"] = string.format("10.%d.%d.%d", math.random(0, 255), math.random(0, 255), math.random(0, 255))
  end
  return wrk.format(method, path, headers, fill(body))
end

if not table.unpack then table.unpack = unpack end

if os.getenv("SHOW_REFUSALS") then
  local shown = 0
  function response(status, _, body)
    if status >= 300 and shown < 3 then
      shown = shown + 1
      io.stderr:write(status .. " " .. body:sub(1, 600) .. "\n")
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n@RESULT@ {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "max": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end

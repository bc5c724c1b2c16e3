-- Finds the backend that a grpc.health.v1 call is for, and names it in x-savepoint-backend, by which it is routed.
--   a service's full name   the backend that hosts its package
--   "" (the whole suite)    the first backend that is not SERVING, else any: so the answer is always a backend's own,
--                           and is SERVING only when all are. Watch("") follows the one backend chosen at its start.
--   an unknown name         any backend, which answers NOT_FOUND
-- HealthCheckRequest has one field: string service = 1.

local BACKENDS = {"profile", "inventory", "leaderboard", "gamelog"}
local ANY = "suite"
local HOSTS = {
  ["savepoint.profile.v1"] = "profile",
  ["savepoint.inventory.v1"] = "inventory",
  ["savepoint.match.v1"] = "inventory",
  ["savepoint.leaderboard.v1"] = "leaderboard",
  ["savepoint.gamelog.v1"] = "gamelog",
}
local BACKEND_HEADER = "x-savepoint-backend"
local ASK_MS = 1000
local EMPTY_REQUEST = "\0\0\0\0\0"
local SERVING = "\0\0\0\0\2\8\1"

-- The service's name in a gRPC message, or nil where there is none to be read.
local function asked_service(message)
  if #message == 5 then return "" end
  local tag, length = message:byte(6, 7)
  if tag ~= 10 or length == nil or length > 127 then return nil end
  return message:sub(8, 7 + length)
end

local function is_serving(handle, backend)
  local headers, body = handle:httpCall(backend, {
    [":method"] = "POST",
    [":path"] = "/grpc.health.v1.Health/Check",
    [":authority"] = backend,
    ["content-type"] = "application/grpc",
    ["te"] = "trailers",
  }, EMPTY_REQUEST, ASK_MS)
  return headers[":status"] == "200" and body == SERVING
end

local function backend_for(handle, service)
  if service ~= "" then
    return HOSTS[(service or ""):match("^(.*)%.[^.]*$")] or ANY
  end
  for _, backend in ipairs(BACKENDS) do
    if not is_serving(handle, backend) then return backend end
  end
  return ANY
end

function envoy_on_request(handle)
  -- First of all: whatever fails below, a value that the caller has sent must never choose the cluster.
  handle:headers():replace(BACKEND_HEADER, ANY)
  local body = handle:body()
  local message = body and body:getBytes(0, body:length()) or ""
  -- backend_for waits for answers. A headers() from before a wait is not valid after it, so it is fetched again.
  local backend = backend_for(handle, asked_service(message))
  handle:headers():replace(BACKEND_HEADER, backend)
  handle:clearRouteCache()
end

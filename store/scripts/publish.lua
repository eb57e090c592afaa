-- Publish on a live channel from the node that owns the conversation. In a cluster, messages of one node keep their
-- order on the bus, and the notices of appends are published by that node too.
--
-- KEYS[1] meta         only names the slot; it is not read
--
-- ARGV[1] live channel
-- ARGV[2] payload
--
-- Returns how many subscribers of that node received it.

return redis.call('PUBLISH', ARGV[1], ARGV[2])

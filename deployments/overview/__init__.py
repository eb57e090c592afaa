"""What an operator watches: the recent figures of all hosts, merged on request, and the nodes they run on."""

"""What an operator watches: the table of all metrics, how they are recorded, and how they reach Ray and Prometheus."""

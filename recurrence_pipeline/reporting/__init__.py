"""The performance report: figures compared, drawn and told for people to read. How figures are taken is worker/'s."""

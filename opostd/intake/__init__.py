"""The intake room: what arrives, by SMTP, LMTP, APPEND or the command line, becomes a post and reaches its boxes."""

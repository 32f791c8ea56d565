"""The SMTP room: submission, mail from other servers, and LMTP, over one subclass of aiosmtpd's session."""

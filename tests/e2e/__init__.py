"""The command a user types, on disposable machines over SSH; looked at with ssh, HTTP, SQL and Docker."""

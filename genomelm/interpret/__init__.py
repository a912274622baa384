"""Attribution and its checks. Models come in as callables; nothing here loads or runs one by itself."""

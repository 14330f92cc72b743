run_client <- NULL

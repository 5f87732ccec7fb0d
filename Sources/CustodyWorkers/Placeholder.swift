// CustodyWorkers

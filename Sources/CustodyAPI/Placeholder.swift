// CustodyAPI

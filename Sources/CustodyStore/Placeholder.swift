// CustodyStore

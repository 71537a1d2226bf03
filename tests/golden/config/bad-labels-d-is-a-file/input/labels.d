[labels.a]
tcp = [1]

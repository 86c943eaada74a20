"""`dbswitch check`: would this commit, or this checkout, point someone at the wrong database or give one away?"""
